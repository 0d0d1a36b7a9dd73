// The TLS contexts of the links: for each complete generation this Region's key pair, and the one certificate that is
// accepted from the peer. They are ready before anybody connects, so that an unauthenticated peer costs no time of the HSM.
import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { Secrets } from '../../hsm/secrets.js';
import { toPem } from '../../identity/certificates/pem.js';
import type { Logger } from '../../observability/log.js';
import type { Records } from '../../store/records/records.js';
import { tlsSuites } from '../../tls/suites.js';
import {
  type CompleteGeneration,
  completeGenerations,
  findRegionLink,
  linkSecretName,
} from '../links/link-record.js';

/** A TLS context that accepts one certificate. */
export interface PinnedContext {
  readonly context: SecureContext;
  readonly region: string;
  readonly generation: number;
  /** The peer's certificate, DER. */
  readonly certificate: Buffer;
}

/** Milliseconds until a key that could not be opened is tried again. */
const retryDelay = 5_000;
const serverNames = /^([0-9a-f]{20}-[0-9]{1,6})\.keyhold\.internal$/;

/** Returns the name in the handshake (RFC 6066, section 3) that tells the peer which link and generation is meant. */
export function serverNameOf(linkId: string, generation: number): string {
  return `${linkId}-${generation}.keyhold.internal`;
}

/** The TLS contexts of all links. */
export class LinkContexts {
  /** By the first label of the server name. */
  readonly #contexts = new Map<string, PinnedContext & { readonly source: string }>();
  readonly #retries = new Map<string, NodeJS.Timeout>();

  /** @param changed called when a context of a Region was added */
  constructor(
    private readonly records: Records,
    private readonly secrets: Secrets,
    private readonly log: Logger,
    private readonly changed: (region: string) => void,
  ) {}

  /** The context that a server name asks for. @returns undefined if there is none */
  named(serverName: string): PinnedContext | undefined {
    const label = serverNames.exec(serverName)?.[1];
    return label === undefined ? undefined : this.#contexts.get(label);
  }

  /** The context of a generation. @returns undefined until its key is open */
  of(linkId: string, generation: number): PinnedContext | undefined {
    return this.#contexts.get(labelOf(linkId, generation));
  }

  /** Makes the contexts of a Region those of its record. */
  refresh(region: string): void {
    clearTimeout(this.#retries.get(region));
    this.#retries.delete(region);
    const record = findRegionLink(this.records, region);
    const wanted = new Map(
      completeGenerations(record).map((each) => [labelOf(record!.linkId, each.generation), each]),
    );
    for (const [label, { region: other, source }] of this.#contexts) {
      const generation = wanted.get(label);
      if (other !== region) continue;
      if (generation && sourceOf(generation) === source) wanted.delete(label);
      else this.#contexts.delete(label);
    }
    for (const [label, generation] of wanted)
      this.#open(region, label, generation).catch((error: unknown) => this.#retry(region, error));
  }

  /** Stops trying. */
  close(): void {
    for (const timer of this.#retries.values()) clearTimeout(timer);
    this.#retries.clear();
  }

  async #open(region: string, label: string, opened: CompleteGeneration): Promise<void> {
    const { generation, peer } = opened;
    const sealed = Buffer.from(opened.key, 'base64');
    const key = await this.secrets.open(linkSecretName(region, generation), sealed);
    let context: SecureContext;
    try {
      context = contextOf(opened, key);
    } finally {
      key.fill(0);
    }
    // The record may have changed meanwhile.
    const source = sourceOf(opened);
    const now = completeGenerations(findRegionLink(this.records, region));
    if (!now.some((each) => sourceOf(each) === source)) return;
    const certificate = Buffer.from(peer.certificate, 'base64');
    this.#contexts.set(label, { context, region, generation, certificate, source });
    this.changed(region);
  }

  #retry(region: string, error: unknown): void {
    this.log.warn({ err: error, region }, 'the private key of a link could not be opened; it is tried again');
    clearTimeout(this.#retries.get(region));
    this.#retries.set(region, setTimeout(() => this.refresh(region), retryDelay).unref());
  }
}

function labelOf(linkId: string, generation: number): string {
  return `${linkId}-${generation}`;
}

/** What a context is made of, as text. */
function sourceOf({ generation, certificate, key, peer }: CompleteGeneration): string {
  return [generation, certificate, key, peer.certificate].join(' ');
}

function contextOf({ certificate, peer }: CompleteGeneration, key: Buffer): SecureContext {
  const pem = Buffer.from(toPem(key, 'PRIVATE KEY'));
  try {
    return createSecureContext({
      cert: toPem(Buffer.from(certificate, 'base64'), 'CERTIFICATE'),
      key: pem,
      ca: toPem(Buffer.from(peer.certificate, 'base64'), 'CERTIFICATE'),
      minVersion: 'TLSv1.3',
      ciphers: tlsSuites,
      // A resumed session would keep the verdict about a certificate that is not pinned any more.
      secureOptions: constants.SSL_OP_NO_TICKET,
    });
  } finally {
    pem.fill(0);
  }
}
