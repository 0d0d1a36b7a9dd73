// Hostile values for every string of every operation, over every protocol: each request is answered in well-formed text with
// a known error, and the daemon stays unchanged and healthy. KEYHOLD_FUZZ=all sends all of them.
import { Agent, request as httpRequest } from 'node:http';
import { join } from 'node:path';
import t from 'tap';
import { WebSocket } from 'ws';
import { operationTable } from '../../../daemon/operations/table.js';
import { decodeResponse } from '../../../proto/codec/frames.js';
import { messageShape, operationShapes } from '../../../proto/schema/descriptor.js';
import { isErrorCode } from '../../../proto/errors.js';
import { signedHeadersOf } from '../../support/aws/aws-request.js';
import { TestDaemon } from '../../support/daemon.js';
import {
  delimited,
  hostilePolicies,
  hostileStrings,
  invalidUtf8,
  type StringPlace,
  stringPlaces,
  varint,
} from '../../support/hostile-strings.js';
import { closeCode, upgrade } from '../../support/wire/upgrade.js';

const isLong = process.env.KEYHOLD_FUZZ === 'all';
const idTag = messageShape('Request').byName.get('id')!.tag;
// Outside of scripts/test, tap's limit is 30 s.
t.setTimeout(600_000);
const utf8 = new TextDecoder('utf-8', { fatal: true });
const isPrintable = (text: string) => text.isWellFormed() && !/[\p{Cc}\p{Cs}\u2028\u202e]/u.test(text);

void t.test('every string of every operation', async (t) => {
  const daemon = await TestDaemon.start(t, 'limits:\n  failedAuthentications: 1000000');
  const { pid } = daemon;
  const root = await daemon.connect();
  const keyId = (await root.createKey({})).keyMetadata.keyId;
  // Not as root, which cannot assume a role, so that a session policy would not be read.
  await root.createUser({ userName: 'sender' });
  const everything = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] };
  const { policy } = await root.createPolicy({
    policyName: 'all',
    policyDocument: JSON.stringify(everything),
  });
  await root.attachUserPolicy({ userName: 'sender', policyArn: policy.arn });
  const principal = { AWS: 'arn:aws:iam::000000000000:root' };
  const trust = { Effect: 'Allow', Principal: principal, Action: 'sts:AssumeRole' };
  const assumeRolePolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [trust] });
  const roleArn = (await root.createRole({ roleName: 'role', assumeRolePolicyDocument })).role.arn;
  const { accessKey } = await root.createAccessKey({ userName: 'sender' });
  const { accessKeyId = '', secretAccessKey = '' } = accessKey;
  const sender = { accessKeyId, secretAccessKey };
  await root.close();
  const statement = { Effect: 'Allow', Principal: principal, Action: '*', Resource: '*' };
  const samples: Readonly<Record<string, string>> = {
    keyId,
    roleArn,
    assumeRolePolicyDocument,
    policyDocument: JSON.stringify(everything),
    policy: JSON.stringify({ Version: '2012-10-17', Statement: [statement] }),
    policyName: 'default',
    aliasName: 'alias/a',
  };
  const sample = (name: string) => samples[name] ?? (name.endsWith('KeyId') ? keyId : 'sample');
  let turn = 0;
  /** All strings in a long run; otherwise a few, different ones for each place. */
  const some = <T>(all: readonly T[], count: number): T[] =>
    isLong ? [...all] : Array.from({ length: count }, () => all[turn++ % all.length]!);
  const textsFor = (place: StringPlace): string[] =>
    place.isPolicy
      ? [...some(hostileStrings, 4), ...some(hostileStrings.slice(0, 13).flatMap(hostilePolicies), 20)]
      : some(hostileStrings, 8);
  const places = operationShapes.map((shape) => ({ shape, places: stringPlaces(shape.request, sample) }));
  const faults: string[] = [];
  const check = (where: string, code: string | undefined, message: string | undefined) => {
    const isKnown = code === undefined || isErrorCode(code);
    if (
      !isKnown ||
      code === 'KMSInternalException' ||
      !isPrintable(message ?? '') ||
      (message ?? '').length > 4_096
    )
      faults.push(`${where}: ${code} ${JSON.stringify(message?.slice(0, 300))}`);
  };

  const inParallel = async (work: readonly (() => Promise<void>)[]) => {
    let next = 0;
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        while (next < work.length) await work[next++]!();
      }),
    );
    return work.length;
  };

  await t.test('over the native protocol', async (t) => {
    const work = places.flatMap(({ shape, places: all }) =>
      all.flatMap((place) =>
        textsFor(place)
          .filter((text) => text.isWellFormed() && text.length < 60_000)
          .map((text) => ({
            where: `${place.path} ${JSON.stringify(text.slice(0, 80))}`,
            bytes: delimited(shape.tag, place.wire(Buffer.from(text))),
          })),
      ),
    );
    let next = 0;
    const onOneConnection = async () => {
      const { webSocket } = await upgrade(daemon, sender);
      const asked = new Map<number, { where: string; answered: () => void }>();
      webSocket.on('message', (data: Buffer) => {
        const response = decodeResponse(data);
        const request = asked.get(response.id);
        asked.delete(response.id);
        if (!request) faults.push(`an answer to ${response.id}, which was not asked`);
        else if ('error' in response) check(request.where, response.error.code, response.error.message);
        request?.answered();
      });
      webSocket.on('close', () => {
        for (const { where, answered } of asked.values()) {
          faults.push(`${where}: no answer`);
          answered();
        }
      });
      const oneAfterAnother = async () => {
        while (next < work.length && webSocket.readyState === WebSocket.OPEN) {
          const id = next + 1;
          const { where, bytes } = work[next++]!;
          await new Promise<void>((answered) => {
            asked.set(id, { where, answered });
            webSocket.send(Buffer.concat([varint(idTag), varint(id), bytes]));
          });
        }
      };
      await Promise.all(Array.from({ length: 16 }, oneAfterAnother));
      webSocket.terminate();
    };
    await Promise.all([onOneConnection(), onOneConnection(), onOneConnection()]);
    t.ok(work.length > 1_000 && next === work.length, `${next} of ${work.length} requests`);
    t.strictSame(faults.splice(0).slice(0, 20), []);
  });

  await t.test('over the native protocol, invalid UTF-8: such a frame ends its connection', async (t) => {
    const work = places.flatMap(({ shape, places: all }) =>
      all
        .filter((place) => place.wire(Buffer.from('x')).includes('x'))
        .flatMap((place) =>
          some(invalidUtf8, 1).map((bytes) => async () => {
            const { webSocket } = await upgrade(daemon, sender);
            const code = closeCode(webSocket);
            const frame = delimited(shape.tag, place.wire(bytes));
            webSocket.send(Buffer.concat([varint(idTag), varint(7), frame]));
            if ((await code) !== 1007) faults.push(`${place.path} ${bytes.toString('hex')}: ${await code}`);
          }),
        ),
    );
    t.ok((await inParallel(work)) > 100, `${work.length} connections`);
    t.strictSame(faults.splice(0).slice(0, 20), []);
  });

  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  t.teardown(() => agent.destroy());
  const post = async (where: string, body: Buffer, options: object, isXml = false) => {
    const headers = Object.fromEntries(
      Object.entries(signedHeadersOf(daemon, { body, ...sender, ...options })).filter(
        ([, value]) => value !== undefined,
      ),
    );
    const reply = await new Promise<Buffer | undefined>((resolve) => {
      const socketPath = join(daemon.home, 'keyhold.sock');
      const sent = httpRequest({ socketPath, method: 'POST', path: '/', headers, agent });
      sent.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => resolve(Buffer.concat(chunks)));
      });
      sent.on('error', () => resolve(undefined));
      sent.end(body);
    });
    if (reply === undefined) {
      faults.push(`${where}: no answer`);
      return;
    }
    const text = utf8.decode(reply);
    if (isXml) {
      if (!/^<(ErrorResponse|\w+Response) [^]*>$/.test(text) || !isPrintable(text))
        faults.push(`${where}: ${text.slice(0, 300)}`);
    } else if (text !== '') {
      const { __type: code, message } = JSON.parse(text) as { __type?: string; message?: string };
      check(where, code, code === undefined ? undefined : message);
    }
  };
  await t.test('over AWS JSON, with escapes and with raw bytes', async (t) => {
    const work = places
      .filter(({ shape }) => operationTable.get(shape.name)!.service === 'kms')
      .flatMap(({ shape, places: all }) =>
        all.flatMap((place) => {
          const options = { operation: shape.name };
          const escaped = textsFor(place).map((text) => Buffer.from(JSON.stringify(place.json(text))));
          const raw = some(invalidUtf8, 1).map((bytes) =>
            Buffer.from(JSON.stringify(place.json('@@')).replace('@@', bytes.toString('latin1')), 'latin1'),
          );
          return [...escaped, ...raw].map(
            (body) => () => post(`${place.path} ${body.toString().slice(0, 80)}`, body, options),
          );
        }),
      );
    t.ok((await inParallel(work)) > 500, `${work.length} requests`);
    t.strictSame(faults.splice(0).slice(0, 20), []);
  });

  await t.test('over the query protocol of STS', async (t) => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'x-amz-target': undefined };
    const values = [
      ...['%ED%A0%80', '%00', '%ff%fe', '%C0%80', '%E2%82', '%u0000', '%', '+'],
      ...hostileStrings.filter((text) => text.isWellFormed() && text.length < 10_000).map(encodeURIComponent),
      ...hostilePolicies('\ud800').map(encodeURIComponent),
    ];
    const names = [
      'RoleArn',
      'RoleSessionName',
      'Policy',
      'ExternalId',
      'Tags.member.1.Key',
      'Tags.member.1.Value',
      'Action',
      '%00',
      '%ff',
    ];
    const work = names.flatMap((name) =>
      values.map((value) => () => {
        const good = name === 'Action' ? '' : `Action=AssumeRole&RoleArn=${roleArn}&RoleSessionName=ss&`;
        const body = Buffer.from(
          `${good.replace(new RegExp(`${name}=[^&]*&`), '')}Version=2011-06-15&${name}=${value}`,
        );
        return post(body.toString(), body, { service: 'sts', headers }, true);
      }),
    );
    await inParallel(work);
    t.strictSame(faults.splice(0).slice(0, 20), []);
  });

  t.equal(daemon.pid, pid);
  const { healthy, warnings } = await daemon.health();
  t.ok(healthy, JSON.stringify(warnings));
  t.notMatch(warnings.join(), /unhandled/);
  t.notMatch(daemon.stderr, /unhandled|could not be answered/);
  t.doesNotThrow(() => daemon.auditRecords(), 'every record is JSON');
});
