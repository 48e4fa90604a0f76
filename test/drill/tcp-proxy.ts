// Stands between a server and what it needs, and lets it down when told to.

import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';

/** open: passes on · refused: closes at once · silent: takes all and never answers · slow: answers late. */
export type ProxyMode = 'open' | 'refused' | 'silent' | 'slow';

export interface TcpProxy {
  readonly url: string;
  /** Connections and parts of answers that were held up or let down. */
  readonly letDown: number;
  become(mode: ProxyMode): void;
  stop(): Promise<void>;
}

/** Of each part of an answer in mode slow. */
const slowMs = 400;

const destroyAll = (sockets: Iterable<Socket>): void => {
  for (const socket of sockets) socket.destroy();
};

export async function startTcpProxy(target: string): Promise<TcpProxy> {
  const { hostname, port } = new URL(target);
  let mode: ProxyMode = 'open';
  let letDown = 0;
  const sockets = new Set<Socket>();
  const hold = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  };

  const server = createServer((caller) => {
    hold(caller);
    if (mode === 'refused') {
      letDown += 1;
      caller.destroy();
      return;
    }
    const callee = connect(Number(port), hostname);
    hold(callee);
    caller.on('close', () => callee.destroy());
    callee.on('close', () => caller.destroy());
    caller.on('data', (chunk: Buffer) => {
      if (mode === 'silent') letDown += 1;
      else callee.write(chunk);
    });
    callee.on('data', (chunk: Buffer) => {
      if (mode === 'slow') {
        letDown += 1;
        // In their order: each waits as long.
        setTimeout(() => caller.write(chunk), slowMs);
      } else if (mode !== 'silent') caller.write(chunk);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get letDown() {
      return letDown;
    },
    become(next) {
      // What a connection has lost it cannot find again.
      if (mode === 'silent' || next === 'refused') destroyAll(sockets);
      mode = next;
    },
    stop: () =>
      new Promise((resolve) => {
        destroyAll(sockets);
        server.close(() => resolve());
      }),
  };
}
