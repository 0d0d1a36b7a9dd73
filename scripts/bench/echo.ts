// The reference for transport: a server that sends each frame back. A process of its own, on the unix socket named.
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const server = createServer();
const webSockets = new WebSocketServer({ server, perMessageDeflate: false });
webSockets.on('connection', (webSocket) => webSocket.on('message', (data: Buffer) => webSocket.send(data)));
server.listen(process.argv[2], () => process.send?.('ready'));
