// A disk that hangs: requests that need it wait, health still answers and names it, and nothing is lost.
import t from 'tap';
import { errantDisk, freeze, unavailable } from '../../audit/disks.js';
import { until } from '../../audit/support.js';
import { aliasesOf, homeOn } from '../../support/home-on-disk.js';

const cannot = unavailable(errantDisk);

interface Case {
  readonly folder: 'audit' | 'metadata';
  readonly named: RegExp;
}

const cases: readonly Case[] = [
  { folder: 'audit', named: /The audit log in \S+ has not answered for \d+ s/ },
  { folder: 'metadata', named: /The metadata store in \S+ has not answered for \d+ s/ },
];

for (const { folder, named } of cases) {
  await t.test(
    `health answers while the disk under ${folder} hangs, and names it`,
    { skip: cannot },
    async (t) => {
      const { daemon, disk } = await homeOn(t, folder, errantDisk());
      await daemon.start();
      const client = await daemon.connect();
      const { keyMetadata } = await client.createKey({});
      const keyId = keyMetadata.keyId;
      const plaintext = Buffer.from('text');
      // One request alone, on a disk that was fast recently.
      for (let each = 0; each < 20; each++) await client.encrypt({ keyId, plaintext });
      t.match(await daemon.health(), { healthy: true });

      const thaw = freeze(disk);
      t.teardown(thaw);
      let answered = false;
      const waiting = client.createAlias({ aliasName: 'alias/later', targetKeyId: keyId });
      void waiting.finally(() => (answered = true));
      for (;;) {
        // An event loop that waits for the disk would answer only after the thaw, which comes after this loop.
        const { healthy, warnings } = await daemon.health();
        const names = warnings.some((warning) => named.test(warning));
        t.equal(healthy, !names, warnings.join());
        if (names) break;
        await new Promise((done) => setTimeout(done, 200));
      }
      await until(() => named.test(daemon.stderr));
      t.equal(answered, false, 'a change waits for the disk');
      await daemon.reload();
      const others = (await daemon.health()).warnings.filter((warning) => !named.test(warning));
      t.same(others, [], 'health reports nothing else');
      if (folder === 'metadata') t.ok(await client.encrypt({ keyId, plaintext }), 'keys can still be used');

      thaw();
      await waiting;
      t.same(await aliasesOf(client, keyId), ['alias/later']);
      await until(() => daemon.stderr.includes('answers again'));
      t.match(await daemon.health(), { healthy: true, warnings: [] });
      await client.close();
      t.equal(await daemon.stop(), 0);
    },
  );
}
