import t from 'tap';
import { parseIpAddress } from '../../daemon/identity/ip-address.js';
import { sourceOf, unixSource } from '../../daemon/identity/source.js';

void t.test('addresses are parsed in their usual notations, and nothing else is', (t) => {
  const bytes = (text: string) => parseIpAddress(text)?.toByteArray().join('.');
  t.equal(bytes('192.0.2.7'), '192.0.2.7');
  t.equal(bytes('::ffff:192.0.2.7'), '192.0.2.7', 'IPv4-mapped');
  t.equal(bytes('::FFFF:c000:207'), '192.0.2.7', 'an IPv4-mapped address in hexadecimal is its IPv4 address');
  t.equal(
    bytes('::192.0.2.7'),
    '0.0.0.0.0.0.0.0.0.0.0.0.192.0.2.7',
    'an address that is not IPv4-mapped stays IPv6',
  );
  t.equal(bytes('64:ff9b::192.0.2.7'), '0.100.255.155.0.0.0.0.0.0.0.0.192.0.2.7');
  for (const text of ['0300.0.2.7', '0xc0.0.2.7', '192.0.519', '3221225991', '192.0.2.07', '192.0.2.7 ', ''])
    t.equal(bytes(text), undefined, text);
  for (const text of ['fe80::1%eth0', '1::2::3', '::ffff:0xc0.0.2.7', '12345::', '[::1]', '192.0.2.0/24'])
    t.equal(bytes(text), undefined, text);
  t.end();
});

void t.test('each IPv4 address is one source, and so is each /64 network of IPv6 addresses', (t) => {
  const sources: readonly (readonly [address: string | undefined, source: string])[] = [
    [undefined, unixSource],
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8::7', '2001:db8:0:0::/64'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
  ];
  for (const [address, source] of sources) t.equal(sourceOf(address), source, String(address));
  t.end();
});
