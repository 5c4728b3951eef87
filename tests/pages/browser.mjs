// What the tests of the pages share: the browser, and the wire to the server.

import net from 'node:net';
import { chromium } from 'playwright-core';

/** A Chromium that speaks to nobody but the page's server. */
export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
  });

/** A TCP proxy that can be frozen (nothing passes, nothing closes) and cut (nothing connects). */
export class Wire {
  #sockets = new Set();
  #target;
  #server;
  frozen = false;
  down = false;

  constructor(base) {
    const { hostname, port } = new URL(base);
    this.#target = { host: hostname, port: Number(port || 80) };
    this.#server = net.createServer((near) => this.#join(near));
  }

  async listen() {
    await new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  #join(near) {
    if (this.down) {
      near.destroy();
      return;
    }
    const far = net.connect(this.#target);
    for (const [from, to] of [[near, far], [far, near]]) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      from.on('data', (data) => this.frozen || to.write(data));
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
  }

  cut() {
    this.down = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend() {
    // What was frozen has lost bytes: those connections cannot go on.
    for (const socket of this.#sockets) socket.destroy();
    this.frozen = false;
    this.down = false;
  }

  close() {
    this.cut();
    this.#server.close();
  }
}
