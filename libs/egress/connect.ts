import { once } from 'node:events';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { DeliveryFailure } from './delivery-failure.ts';

/** Whom TLS trusts, and who one is oneself. All PEM; the system's authorities and no client where absent. */
export interface TlsTrust {
  readonly ca?: string;
  readonly clientCertificate?: string;
  /** The name that the certificate must have, where it is not the host's. */
  readonly serverName?: string;
}

/** What TLS needs beside the socket. Node verifies the certificate; nothing here can switch that off. */
export function tlsOptions(
  { ca, clientCertificate, serverName }: TlsTrust,
  host: string,
  clientKey: string | undefined,
): ConnectionOptions {
  const name = serverName ?? host.replace(/^\[(.*)\]$/, '$1');
  return {
    minVersion: 'TLSv1.2',
    ...(ca !== undefined && { ca }),
    ...(clientCertificate !== undefined && { cert: clientCertificate }),
    ...(clientKey !== undefined && { key: clientKey }),
    // SNI takes no address; the certificate is compared with `host` then, which is the address itself.
    ...(isIP(name) === 0 && { servername: name }),
  };
}

/** A connection to the checked address, with TLS where `tls` is given. Rejects after `withinMs`. */
export async function openSocket(
  address: string,
  port: number,
  tls: ConnectionOptions | undefined,
  withinMs: number,
  signal: AbortSignal,
): Promise<Socket | TLSSocket> {
  const target = { host: address, port };
  const socket = tls ? connectTls({ ...tls, ...target }) : connectTcp(target);
  // Until somebody listens, an error must not end the process.
  socket.on('error', () => undefined);
  const late = AbortSignal.timeout(withinMs);
  try {
    await once(socket, tls ? 'secureConnect' : 'connect', { signal: AbortSignal.any([signal, late]) });
  } catch (error) {
    socket.destroy();
    if (late.aborted && !signal.aborted) throw new DeliveryFailure('timeout', { cause: error });
    throw error;
  }
  socket.setNoDelay(true);
  socket.setKeepAlive(true, 30_000);
  return socket;
}
