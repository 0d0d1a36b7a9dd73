/**
 * The key policy of the key that Keyhold makes for a service. As with AWS's own keys of this kind it is the policy, which
 * nobody may change, that refuses all management: it allows principals of the account to use the key and to describe
 * it, if their own policies allow it too. AWS's has, for use, the condition that the request comes through
 * the service (kms:ViaService); here no service calls on their behalf, so it allows the account's principals.
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
