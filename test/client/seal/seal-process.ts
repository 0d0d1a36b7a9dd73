// Seals or opens in a separate process, under a fixed key, and reports how much its memory grew:
// seal-process.js seal|open INPUT OUTPUT
import { openFile, sealFile } from '../../../client/seal/files.js';
import { softwareKey } from './software-key.js';

const [, , mode = '', input = '', output = ''] = process.argv;
const controller = new AbortController();
process.once('SIGTERM', () => {
  controller.abort(new Error('ended'));
});
const options = {
  dataKeys: softwareKey(Buffer.alloc(32, 7)),
  keyId: 'alias/files',
  signal: controller.signal,
};
const start = process.memoryUsage.rss();
let most = start;
const watch = setInterval(() => {
  most = Math.max(most, process.memoryUsage.rss());
}, 2);
try {
  await (mode === 'seal' ? sealFile : openFile)(input, output, options);
  process.stderr.write(`growth ${most - start}\n`);
} catch (error) {
  process.stderr.write(`${String(error)}\n`);
  process.exitCode = 1;
} finally {
  clearInterval(watch);
}
