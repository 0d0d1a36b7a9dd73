// AWS managed keys: as at AWS KMS, one for each `alias/aws/<service>`, created on first use.
import { KeyError } from './errors.js';

/**
 * What the key of each service protects, by the service's name in its alias. AWS has added no more such keys since 2021.
 */
const protects: Readonly<Record<string, string>> = {
  acm: 'ACM private keys',
  appflow: 'AppFlow data',
  backup: 'Backup data',
  cloud9: 'Cloud9 data',
  codeartifact: 'CodeArtifact data',
  codecommit: 'CodeCommit repositories',
  connect: 'Connect data',
  dax: 'DAX data',
  dms: 'DMS data',
  dynamodb: 'DynamoDB data',
  ebs: 'EBS volumes',
  ecr: 'ECR data',
  eks: 'EKS data',
  elasticache: 'ElastiCache data',
  elasticfilesystem: 'EFS filesystems',
  es: 'Elasticsearch data',
  fsx: 'FSx resources',
  glue: 'Glue data',
  imagebuilder: 'Image Builder data',
  kafka: 'Kafka data',
  kendra: 'Kendra data',
  kinesis: 'Kinesis data',
  kinesisvideo: 'Kinesis Video Streams data',
  lambda: 'Lambda functions',
  lex: 'Lex data',
  lightsail: 'Lightsail data',
  mq: 'MQ data',
  rds: 'RDS database volumes',
  redshift: 'Redshift clusters',
  s3: 'S3 objects',
  secretsmanager: 'Secrets Manager data',
  ses: 'SES data',
  sns: 'SNS data',
  sqs: 'SQS queues',
  ssm: 'SSM parameters',
  timestream: 'Timestream data',
  translate: 'Translate data',
  workspaces: 'WorkSpaces data',
  xray: 'X-Ray data',
};

/** Prefix of the aliases of AWS managed keys. Callers cannot create, update or delete such an alias. */
export const managedAliasPrefix = 'alias/aws/';

/** The predefined aliases of services, in order; ListAliases lists them before their keys are made. */
export const managedAliases: readonly string[] = Object.keys(protects)
  .map((service) => managedAliasPrefix + service)
  .sort();

/** Returns the service of an AWS managed key's alias. @returns undefined for any other alias */
export function managedService(aliasName: string): string | undefined {
  if (!aliasName.startsWith(managedAliasPrefix)) return undefined;
  const service = aliasName.slice(managedAliasPrefix.length);
  return Object.hasOwn(protects, service) ? service : undefined;
}

/** Returns the description of a service's key, in AWS's words. */
export function managedDescription(service: string): string {
  return `Default key that protects my ${protects[service]} when no other key is defined`;
}

/** A request named the alias of a service that has no key yet. */
export class ManagedKeyNotMade extends KeyError {
  constructor(
    readonly service: string,
    aliasArn: string,
  ) {
    super('not-found', `Alias ${aliasArn} is not found.`);
  }
}
