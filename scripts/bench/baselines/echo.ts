// Baseline for the transport: a bare `ws` server that echoes each frame, in a separate process. Arguments: the path of a
// unix socket; or the files of a certificate and its key, for TLS on a free port of the loopback. Its first message is the
// port, or 0 for a socket.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';

const [place = '', key] = process.argv.slice(2);
const server =
  key === undefined
    ? createServer()
    : createTlsServer({ cert: readFileSync(place), key: readFileSync(key), minVersion: 'TLSv1.3' });
const webSockets = new WebSocketServer({ server, perMessageDeflate: false });
webSockets.on('connection', (webSocket) => webSocket.on('message', (data: Buffer) => webSocket.send(data)));
if (key === undefined) server.listen(place, () => process.send?.(0));
else server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
