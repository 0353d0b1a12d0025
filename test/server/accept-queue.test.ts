/** Connections that come while the server is busy wait in the kernel, which answers them. */
import { once } from 'node:events';
import { connect } from 'node:net';
import test from 'ava';
import { startServer } from '../support/cli.js';

test('1,000 connections at once are taken while the server does nothing', async (t) => {
  const server = await startServer('--backend', 'memory', '--listen', '127.0.0.1:0');
  const [host, port] = server.address.split(':') as [string, string];
  server.send('SIGSTOP');
  const sockets = Array.from({ length: 1000 }, () => connect(Number(port), host));
  try {
    // Beyond the queue, the kernel drops the first packet of a connection: none is established until the server goes on.
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    t.pass();
  } finally {
    for (const socket of sockets) socket.on('error', () => {}).destroy();
    server.send('SIGCONT');
    await server.end('SIGTERM');
  }
});
