// A principal that keeps as many requests in flight as it may, until its parent sends a message. Arguments: URL, key ID.
import { once } from 'node:events';
import { connect } from '../../../client/index.js';

const connections = 4;
const inFlight = 1_000;
const [url = '', keyId = ''] = process.argv.slice(2);
const credentials = {
  accessKeyId: process.env.AWS_ACCESS_KEY_ID ?? '',
  secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY ?? '',
};
const plaintext = Buffer.alloc(64, 1);
const clients = await Promise.all(Array.from({ length: connections }, () => connect({ url, credentials })));
const end = once(process, 'message');
let isOver = false;
let done = 0;
const lanes = clients.flatMap((client) =>
  Array.from({ length: inFlight }, async () => {
    while (!isOver) {
      await client.encrypt({ keyId, plaintext });
      done += 1;
    }
  }),
);
while (done < inFlight) await new Promise((later) => setTimeout(later, 10));
process.send!('under way');
const [before, begun] = [done, performance.now()];
await end;
const rate = ((done - before) * 1_000) / (performance.now() - begun);
isOver = true;
await Promise.all(lanes);
for (const client of clients) await client.close();
process.send!(rate);
process.disconnect();
