import type { WebSocket } from 'ws';

/**
 * Pings a peer periodically, and ends the connection if it is silent from one ping to the next.
 * @param interval in milliseconds
 */
export function keepAlive(webSocket: WebSocket, interval: number): void {
  let isAlive = true;
  const heard = () => (isAlive = true);
  webSocket.on('pong', heard);
  webSocket.on('message', heard);
  const timer = setInterval(() => {
    // An answer that arrived while the event loop was blocked is read first.
    setImmediate(() => {
      if (!isAlive) {
        webSocket.terminate();
      } else if (webSocket.readyState === webSocket.OPEN) {
        isAlive = false;
        webSocket.ping();
      }
    });
  }, interval).unref();
  webSocket.once('close', () => clearInterval(timer));
}
