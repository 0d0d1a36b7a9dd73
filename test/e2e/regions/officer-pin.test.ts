// The PIN of the security officer is typed at a terminal, and is not shown.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { TestDaemon } from '../../support/daemon.js';
import { checkout } from '../../support/paths.js';

const doctor = join(checkout, 'dist/daemon/admin/hsm/doctor.js');

/** Runs doctor on a terminal. @param typed once it asks @returns what is on the terminal, and the exit status */
async function onTerminal(daemon: TestDaemon, typed: string): Promise<{ text: string; code: number | null }> {
  const line = `'${process.execPath}' '${doctor}' --no-trial --try-link`;
  const child = spawn('script', ['-qec', line, '/dev/null'], {
    env: { ...daemon.env, TERM: 'xterm', SHELL: '/bin/sh' },
  });
  let text = '';
  child.stdout.on('data', (data: Buffer) => {
    const isAsked = text.includes('PIN of');
    text += data.toString();
    if (!isAsked && text.includes('PIN of')) child.stdin.write(typed);
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { text, code };
}

void t.test('a typed PIN', { timeout: 300_000 }, async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  const pin = readFileSync(join(daemon.home, 'tokens/so-pin'), 'utf8').trim();
  const interrupted = await onTerminal(daemon, `${pin}\x03`);
  t.equal(interrupted.code, 1);
  t.match(interrupted.text, /keyhold doctor: Interrupted\./);
  const { text, code } = await onTerminal(daemon, `wrong\x15${pin}é\x7f\r`);
  t.equal(code, 0, text);
  t.match(text, /PIN of the security officer of token 'keyhold': /);
  t.match(text, /can be linked to another Region/);
  t.notOk((text + interrupted.text).includes(pin), 'it is not shown');
});
