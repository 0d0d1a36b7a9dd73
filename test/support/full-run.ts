// Uses everything that handles a secret or a plaintext once: correctly, and with the errors it can have.
import { createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { EncryptCommand, GenerateDataKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { type Client, connect } from '../../client/index.js';
import { encodeRequest, operationShape } from '../../proto/codec/frames.js';
import type { KeySpec, KeyUsageType } from '../../proto/generated/messages.js';
import { clientConfig } from './aws/aws.js';
import { send } from './aws/aws-request.js';
import { createStore, type LabToken, reaches } from './custom-key-store.js';
import type { TestDaemon } from './daemon.js';
import { newExternalKey, parametersFor } from './imports.js';
import type { SecretSearch } from './secret-search.js';
import { nextResponse, upgrade } from './wire/upgrade.js';
import { newMaterial, wrap } from './wrapping.js';

/** A run: the secrets that it used, and the errors that clients received. */
export class FullRun {
  #told = '';

  constructor(
    readonly daemon: TestDaemon,
    readonly client: Client,
    readonly secrets: SecretSearch,
  ) {}

  /** Everything that clients received about failures: errors, replies, the standard error of the command line. */
  get told(): string {
    return this.#told;
  }

  /** Random bytes that must appear nowhere. */
  fresh(name: string, length = 48): Buffer<ArrayBuffer> {
    return this.keep(name, Buffer.from(randomBytes(length)));
  }

  /** Like {@link fresh}, but letters. */
  freshText(name: string): string {
    const text = randomBytes(21).toString('base64url').replace(/[-_]/g, 'x');
    this.keep(name, Buffer.from(text));
    return text;
  }

  keep<Bytes extends Uint8Array>(name: string, bytes: Bytes | undefined): Bytes {
    if (!bytes) throw new Error(`there is no ${name}`);
    this.secrets.add(name, bytes);
    return bytes;
  }

  /** Keeps the private numbers of a private key in PKCS #8. */
  keepPrivate(name: string, pkcs8: Uint8Array | undefined): Uint8Array {
    const { d, p } = createPrivateKey({ key: Buffer.from(pkcs8!), type: 'pkcs8', format: 'der' }).export({
      format: 'jwk',
    });
    this.keep(`${name}: d`, Buffer.from(d!, 'base64url'));
    if (p !== undefined) this.keep(`${name}: p`, Buffer.from(p, 'base64url'));
    return pkcs8!;
  }

  /** Runs an action that must fail, and keeps the error that the client receives. */
  async fails(attempt: Promise<unknown>): Promise<void> {
    const outcome = await attempt.then(
      () => undefined,
      (error: unknown) => error as Error & { code?: string },
    );
    if (!outcome) throw new Error('it did not fail');
    this.tell(`${outcome.code ?? ''} ${outcome.stack ?? outcome.message} ${JSON.stringify(outcome)}`);
  }

  tell(text: string): void {
    this.#told += `${text}\n`;
  }

  /** Runs the command line, which must fail, and keeps its output. */
  async cliFails(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<void> {
    const { code, stdout, stderr } = await this.daemon.cli(args, { env });
    if (code === 0) throw new Error(`keyhold ${args.join(' ')} did not fail`);
    this.tell(stdout + stderr);
  }

  async newKey(keySpec: KeySpec = 'SYMMETRIC_DEFAULT', keyUsage: KeyUsageType = 'ENCRYPT_DECRYPT') {
    return (await this.client.createKey({ keySpec, keyUsage })).keyMetadata.keyId;
  }
}

/** Encryption, data keys, pairs, random bytes, MACs, signatures and agreement. */
export async function cryptography(run: FullRun): Promise<void> {
  const { client } = run;
  const [keyId, other, rsa] = [await run.newKey(), await run.newKey(), await run.newKey('RSA_2048')];
  const encryptionContext = { purpose: 'seen in the audit log' };
  for (const plaintext of [run.fresh('plaintext'), run.fresh('long plaintext', 4_096)]) {
    const { ciphertextBlob } = await client.encrypt({ keyId, plaintext, encryptionContext });
    await client.decrypt({ ciphertextBlob, encryptionContext });
    await client.reEncrypt({
      ciphertextBlob,
      destinationKeyId: other,
      sourceEncryptionContext: encryptionContext,
    });
    await run.fails(client.decrypt({ ciphertextBlob, encryptionContext: { purpose: 'another' } }));
    await run.fails(client.decrypt({ ciphertextBlob, keyId: other, encryptionContext }));
    await run.fails(client.encrypt({ keyId, plaintext, dryRun: true }));
  }
  const oaep = { keyId: rsa, encryptionAlgorithm: 'RSAES_OAEP_SHA_256' } as const;
  const { ciphertextBlob } = await client.encrypt({ ...oaep, plaintext: run.fresh('plaintext for RSA') });
  await client.decrypt({ ...oaep, ciphertextBlob });
  await run.fails(client.encrypt({ ...oaep, plaintext: run.fresh('too long plaintext for RSA', 400) }));
  await run.fails(client.encrypt({ keyId, plaintext: run.fresh('too long plaintext', 4_097) }));
  await run.fails(client.encrypt({ keyId: 'alias/none', plaintext: run.fresh('plaintext without a key') }));

  run.keep('data key', (await client.generateDataKey({ keyId, keySpec: 'AES_256' })).plaintext);
  const hidden = await client.generateDataKeyWithoutPlaintext({ keyId, numberOfBytes: 64 });
  run.keep('data key, decrypted', (await client.decrypt(hidden)).plaintext);
  for (const keyPairSpec of ['RSA_2048', 'ECC_NIST_P256', 'ECC_NIST_EDWARDS25519'] as const) {
    const pair = await client.generateDataKeyPair({ keyId, keyPairSpec });
    run.keepPrivate(`data key pair ${keyPairSpec}`, pair.privateKeyPlaintext);
    const later = await client.generateDataKeyPairWithoutPlaintext({ keyId, keyPairSpec });
    const opened = await client.decrypt({ ciphertextBlob: later.privateKeyCiphertextBlob });
    run.keepPrivate(`data key pair ${keyPairSpec}, decrypted`, opened.plaintext);
  }
  run.keep('random bytes', (await client.generateRandom({ numberOfBytes: 32 })).plaintext);

  const mac = {
    keyId: await run.newKey('HMAC_256', 'GENERATE_VERIFY_MAC'),
    macAlgorithm: 'HMAC_SHA_256',
  } as const;
  const message = run.fresh('message');
  const tag = (await client.generateMac({ ...mac, message })).mac;
  await client.verifyMac({ ...mac, message, mac: tag });
  await run.fails(client.verifyMac({ ...mac, message: run.fresh('another message'), mac: tag }));
  const signing = {
    keyId: await run.newKey('ECC_NIST_P256', 'SIGN_VERIFY'),
    signingAlgorithm: 'ECDSA_SHA_256',
  } as const;
  const signature = (await client.sign({ ...signing, message })).signature;
  await client.verify({ ...signing, message, signature });
  await run.fails(client.verify({ ...signing, message: run.fresh('forged message'), signature }));
  await run.fails(client.sign({ ...signing, message: run.fresh('bad digest', 31), messageType: 'DIGEST' }));
  await client.getPublicKey({ keyId: signing.keyId });

  const agreement = await run.newKey('ECC_NIST_P256', 'KEY_AGREEMENT');
  const peer = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const publicKey = peer.publicKey.export({ type: 'spki', format: 'der' });
  const request = { keyId: agreement, keyAgreementAlgorithm: 'ECDH', publicKey } as const;
  run.keep('shared secret', (await client.deriveSharedSecret(request)).sharedSecret);
  const encapsulation = { keyId, encapsulationAlgorithm: 'ML_KEM' } as const;
  const sharedSecretCiphertextBlob = run.keep('encapsulated secret', randomBytes(768));
  await run.fails(client.encapsulate(encapsulation));
  await run.fails(client.decapsulate({ ...encapsulation, sharedSecretCiphertextBlob }));
  const token = await client.createGrant({
    keyId,
    granteePrincipal: (await client.getCallerIdentity({})).arn,
    operations: ['Decrypt', 'RetireGrant'],
  });
  run.keep('grant token', Buffer.from(token.grantToken));
  await run.fails(client.retireGrant({ grantToken: `${token.grantToken.slice(0, -4)}AAAA` }));
  await client.retireGrant({ grantToken: token.grantToken });
}

/** Material from outside: wrapped for an import, and in the clear for SeedKey. */
export async function imports(run: FullRun): Promise<void> {
  const { client } = run;
  const specs = [
    ['SYMMETRIC_DEFAULT', 'ENCRYPT_DECRYPT'],
    ['HMAC_256', 'GENERATE_VERIFY_MAC'],
    ['RSA_2048', 'SIGN_VERIFY'],
    ['ECC_NIST_P256', 'SIGN_VERIFY'],
  ] as const;
  const keepMaterial = (name: string, spec: KeySpec, material: Buffer) =>
    /^(SYM|HMAC)/.test(spec) ? run.keep(name, material) : run.keepPrivate(name, material);
  for (const [keySpec, keyUsage] of specs) {
    const keyId = await newExternalKey(client, { keySpec, keyUsage });
    const { publicKey, send: importWrapped } = await parametersFor(client, keyId);
    const material = Buffer.from(newMaterial(keySpec));
    keepMaterial(`imported ${keySpec}`, keySpec, material);
    const aes = run.fresh(`wrapping key of ${keySpec}`, 32);
    await importWrapped(wrap('RSA_AES_KEY_WRAP_SHA_1', publicKey, material, aes));
    const wrong = run.fresh(`material that is no ${keySpec}`, 17);
    await run.fails(importWrapped(wrap('RSA_AES_KEY_WRAP_SHA_1', publicKey, wrong, aes)));
    await run.fails(importWrapped(run.fresh(`unwrapped material for ${keySpec}`, 32)));
    const seeded = newMaterial(keySpec);
    keepMaterial(`seeded ${keySpec}`, keySpec, seeded);
    const id = `11111111-2222-3333-4444-${randomBytes(6).toString('hex')}`;
    await client.seedKey({ keyId: id, keySpec, keyUsage, keyMaterial: seeded });
    const refused = run.fresh(`refused seed of ${keySpec}`, 19);
    const again = { keyId: id.replace(/^1/, '2'), keySpec, keyUsage, keyMaterial: refused };
    await run.fails(client.seedKey(again));
  }
}

/** A custom key store with a correct, a wrong and an invalid password. */
export async function customKeyStore(run: FullRun, token: LabToken): Promise<void> {
  const { client } = run;
  run.keep('PIN of the custom key store', Buffer.from(token.pin));
  const impossible = `${run.freshText('too long password')}${run.freshText('its end')}`;
  await run.fails(createStore(client, token, { keyStorePassword: impossible }));
  const xks = {
    accessKeyId: 'A'.repeat(20),
    rawSecretAccessKey: run.fresh('secret of a proxy', 33).toString('base64'),
  };
  await run.fails(
    client.createCustomKeyStore({
      customKeyStoreName: 'external',
      customKeyStoreType: 'EXTERNAL_KEY_STORE',
      xksProxyAuthenticationCredential: xks,
    }),
  );
  const wrong = run.freshText('wrong password').slice(0, 24);
  const customKeyStoreId = await createStore(client, token, { keyStorePassword: wrong });
  await client.connectCustomKeyStore({ customKeyStoreId });
  if (!(await reaches(client, customKeyStoreId, 'FAILED'))) throw new Error('a wrong password is taken');
  await client.disconnectCustomKeyStore({ customKeyStoreId });
  await client.updateCustomKeyStore({ customKeyStoreId, keyStorePassword: token.pin });
  await client.connectCustomKeyStore({ customKeyStoreId });
  if (!(await reaches(client, customKeyStoreId, 'CONNECTED'))) throw new Error('the password is not taken');
  const { keyMetadata } = await client.createKey({ customKeyStoreId, origin: 'AWS_CLOUDHSM' });
  const keyId = keyMetadata.keyId;
  const { ciphertextBlob } = await client.encrypt({ keyId, plaintext: run.fresh('plaintext in the store') });
  await client.decrypt({ ciphertextBlob });
  run.keep('data key of the store', (await client.generateDataKey({ keyId, keySpec: 'AES_128' })).plaintext);
}

/** Access keys and sessions, over both protocols and the command line; and secrets in fields that are not for them. */
export async function credentials(run: FullRun, credentialsFile: string): Promise<void> {
  const { client, daemon } = run;
  run.keep('secret of the root', Buffer.from(daemon.credentials.secretAccessKey));
  const created = await daemon.cli(['identity', 'create-user', 'alice']);
  const shown = await daemon.cli(['identity', 'create-access-key', 'alice']);
  const secret = /"SecretAccessKey": "(.*?)"/.exec(shown.stdout)?.[1] ?? '';
  const accessKeyId = /"AccessKeyId": "(.*?)"/.exec(shown.stdout)?.[1] ?? '';
  run.keep("alice's secret", Buffer.from(secret));
  const file = ['--credentials-file', credentialsFile];
  const written = await daemon.cli(['identity', 'create-access-key', 'alice', ...file]);
  run.tell(created.stdout + shown.stderr + written.stdout + written.stderr);
  const alice = { accessKeyId, secretAccessKey: secret };

  const trust = {
    Effect: 'Allow',
    Principal: { AWS: (await client.getUser({ userName: 'alice' })).user.arn },
  };
  const assumeRolePolicyDocument = JSON.stringify({ Statement: { ...trust, Action: 'sts:AssumeRole' } });
  const { role } = await client.createRole({ roleName: 'worker', assumeRolePolicyDocument });
  const asAlice = await connect({ url: daemon.url, credentials: alice });
  const session = (await asAlice.assumeRole({ roleArn: role.arn, roleSessionName: 'one' })).credentials;
  await run.fails(asAlice.encrypt({ keyId: 'alias/x', plaintext: run.fresh('plaintext of who may not') }));
  await asAlice.close();
  run.keep("the session's secret", Buffer.from(session.secretAccessKey));
  run.keep("the session's token", Buffer.from(session.sessionToken));
  const temporary = {
    accessKeyId: session.accessKeyId,
    secretAccessKey: session.secretAccessKey,
    sessionToken: session.sessionToken,
  };
  const asSession = await connect({ url: daemon.url, credentials: temporary });
  await asSession.getCallerIdentity({});
  await asSession.close();

  const wrong = run.freshText('wrong secret');
  const misplaced = run.freshText('a secret in place of an access key id');
  const tampered = session.sessionToken.replace(/.(?=.{9}$)/, (each) => (each === 'A' ? 'B' : 'A'));
  for (const bad of [
    { ...alice, secretAccessKey: wrong },
    { accessKeyId: misplaced, secretAccessKey: secret },
    { accessKeyId: secret.replace(/[^A-Za-z0-9]/g, ''), secretAccessKey: secret },
    { ...temporary, sessionToken: tampered },
    { ...temporary, secretAccessKey: wrong },
  ]) {
    await run.fails(upgrade(daemon, bad));
    const headers = 'sessionToken' in bad ? { 'x-amz-security-token': bad.sessionToken } : {};
    const reply = await send(daemon, { ...bad, headers });
    run.tell(reply.text);
  }
  const misused = { AWS_ACCESS_KEY_ID: misplaced, AWS_SECRET_ACCESS_KEY: wrong };
  await run.cliFails(['list-keys'], misused);
}

/** The link to another Region: what comes in place of a certificate or a key is quoted nowhere. */
export async function regionLinks(run: FullRun): Promise<void> {
  const { endpoint, generation } = await run.client.prepareRegionLink({ peerRegion: 'eu-central-1' });
  const certificate = run.fresh('in place of a certificate');
  const signingKey = run.fresh('in place of a signing key');
  const request = { peerRegion: 'eu-central-1', generation, endpoint, certificate, signingKey };
  await run.fails(run.client.completeRegionLink(request));
}

/** The AWS endpoint, and damaged messages: the errors of parsers must not quote them. */
export async function transports(run: FullRun): Promise<void> {
  const { daemon, client } = run;
  const { backupId } = await client.createBackup();
  await client.readBackup({ backupId, part: 0 });

  const keyId = await run.newKey();
  const aws = new KMSClient(clientConfig(daemon));
  await aws.send(new EncryptCommand({ KeyId: keyId, Plaintext: run.fresh('plaintext over HTTPS') }));
  const dataKey = await aws.send(new GenerateDataKeyCommand({ KeyId: keyId, KeySpec: 'AES_256' }));
  run.keep('data key over HTTPS', dataKey.Plaintext);
  aws.destroy();

  const plaintext = run.fresh('plaintext in damaged JSON');
  const text = plaintext.toString('base64');
  const bare = run.freshText('plaintext that is not base64');
  for (const body of [
    `{"KeyId":"${keyId}","Plaintext":"${text}"`,
    `{"KeyId":"${keyId}","Plaintext":"${text}",}`,
    `{"Plaintext":"${text}","Plaintext":"${text}","KeyId":"${keyId}"}`,
    `{"KeyId":"${keyId}","Plaintext":"${bare}!"}`,
    `{"KeyId":"${keyId}","Plaintext":["${text}"]}`,
    `{"KeyId":"${keyId}","Plaintext":{"${text}":"${text}"}}`,
    `${text}`,
  ])
    run.tell((await send(daemon, { operation: 'Encrypt', body })).text);
  const headers = { 'content-type': 'application/x-www-form-urlencoded', 'x-amz-target': undefined };
  const form = `Action=AssumeRole&Version=2011-06-15&RoleArn=${bare}&TokenCode=${bare}&DurationSeconds=x`;
  run.tell((await send(daemon, { service: 'sts', headers, body: form })).text);

  const request = { keyId, plaintext: run.fresh('plaintext in damaged frames', 300) };
  const frame = encodeRequest(7, 1_000, operationShape('Encrypt'), request);
  for (const bad of [
    frame.subarray(0, -40),
    Buffer.concat([frame, frame.subarray(9, 80)]),
    frame.subarray(12),
    // A field with a wire type that does not exist cannot be read.
    Buffer.concat([Buffer.of(0xff), request.plaintext]),
  ]) {
    const { webSocket } = await upgrade(daemon);
    const reply = nextResponse(webSocket);
    webSocket.send(bad);
    run.tell(JSON.stringify(await reply));
    webSocket.terminate();
  }

  const typed = run.freshText('plaintext typed as it is');
  await run.cliFails(['encrypt', '--key-id', keyId, '--plaintext', `${typed}!`]);
  await run.cliFails(['encrypt', '--key-id', 'alias/none', '--plaintext', text]);
  const sealed = await daemon.cli(['seal', '--key-id', keyId, '-'], {
    input: run.fresh('sealed content', 500),
  });
  if (sealed.code !== 0) throw new Error(sealed.stderr);
}
