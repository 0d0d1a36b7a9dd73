/**
 * Returns the key policy of an AWS managed key. As at AWS, nobody can change this policy, and it allows no management: it
 * allows principals of the account to use and describe the key if their own policies allow it too. AWS also requires that
 * requests come through the service (kms:ViaService); here no service calls on behalf of principals, so they may use the key
 * directly.
 */
export function managedKeyPolicy(account: string, service: string): string {
  const Principal = { AWS: `arn:aws:iam::${account}:root` };
  return JSON.stringify({
    Version: '2012-10-17',
    Id: `auto-${service}-1`,
    Statement: [
      {
        Sid: 'Allow use of the key by principals of the account that are authorized to use it',
        Effect: 'Allow',
        Principal,
        Action: [
          'kms:Encrypt',
          'kms:Decrypt',
          'kms:ReEncrypt*',
          'kms:GenerateDataKey*',
          'kms:CreateGrant',
          'kms:DescribeKey',
        ],
        Resource: '*',
      },
      {
        Sid: 'Allow direct access to key metadata to the account',
        Effect: 'Allow',
        Principal,
        Action: ['kms:Describe*', 'kms:Get*', 'kms:List*', 'kms:RevokeGrant'],
        Resource: '*',
      },
    ],
  });
}
