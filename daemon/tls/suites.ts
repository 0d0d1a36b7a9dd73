/**
 * Cipher suites of TLS, in OpenSSL's names: those of TLS 1.3, and of TLS 1.2 those that have forward secrecy (ECDHE) and
 * authenticated encryption (RFC 7525, section 4.2; RFC 9325, section 4.2). No CBC, no RSA key transport.
 */
export const tlsSuites = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
].join(':');
