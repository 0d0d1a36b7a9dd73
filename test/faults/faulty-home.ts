// A daemon whose workers load the fault module in front of SoftHSM2.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LIBRARY } from '../hsm/token.js';
import type { TestDaemon } from '../support/daemon.js';
import { Faults, buildModule } from './faults.js';

/** Gives a home whose daemon does not run yet a profile with the fault module. @returns the faults of that module */
export function makeFaulty({ home }: TestDaemon): Faults {
  const faults = new Faults(join(home, 'faults'));
  const environment = { SOFTHSM2_CONF: '${home}/tokens/softhsm2.conf', ...faults.env(LIBRARY) };
  const profile = { name: 'SoftHSM2 that fails', library: buildModule(), environment };
  writeFileSync(join(home, 'faulty.yaml'), JSON.stringify(profile));
  const config = join(home, 'keyhold.yaml');
  writeFileSync(config, readFileSync(config, 'utf8').replace('profile: softhsm2', 'profile: faulty.yaml'));
  return faults;
}
