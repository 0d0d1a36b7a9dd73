// The memory for an incomplete message depends on the number of its fragments, not on its bytes.
import type { Socket } from 'node:net';
import t from 'tap';
import { TestDaemon } from '../../support/daemon.js';
import { upgrade } from '../../support/wire/upgrade.js';

/** A masked frame of one byte, RFC 6455 section 5.2. @param opcode 2: a binary message begins; 0: it continues */
const fragment = (opcode: number) => Buffer.from([opcode, 0x81, 0, 0, 0, 0, 1]);

void t.test('a message in many short fragments ends its connection', async (t) => {
  const daemon = await TestDaemon.start(t);
  const { webSocket } = await upgrade(daemon);
  const closed = new Promise((resolve) => webSocket.on('close', resolve));
  const socket = (webSocket as unknown as { _socket: Socket })._socket;
  socket.write(Buffer.concat([fragment(2), ...Array.from({ length: 200 }, () => fragment(0))]));
  t.equal(await closed, 1008);
});
