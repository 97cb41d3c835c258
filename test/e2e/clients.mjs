// SPDX-License-Identifier: MIT
// One stream by a client from npm: node clients.mjs eventsource|parser URL.
// Prints [[event, data, last id], ...]. Ends when 204 says that it is over.
import { createRequire } from 'node:module';

const require = createRequire(process.env.CLIENTS_DIR + '/');
const [kind, url] = process.argv.slice(2);
const names = ['state', 'data', 'dropped', 'progress', 'gap', 'end'];
const events = [];

function finish() {
  process.stdout.write(JSON.stringify(events), () => process.exit(0));
}

function byEventSource() {
  const { EventSource } = require('eventsource');
  const source = new EventSource(url);
  let last = ''; // the package leaves it out where a frame has none
  const add = (e) => {
    last = e.lastEventId || last;
    events.push([e.type, e.data, last]);
  };
  source.addEventListener('message', add);
  for (const name of names)
    source.addEventListener(name, add);
  source.addEventListener('error', (e) => {
    if (source.readyState !== EventSource.CLOSED)
      return;
    if (e.code === 204)
      finish();
    else
      process.exit(3);
  });
}

async function byParser() {
  const { createParser } = require('eventsource-parser');
  let last = '';
  let retry = 0;
  for (;;) {
    const parser = createParser({
      onEvent(e) {
        last = e.id ?? last;
        events.push([e.event ?? 'message', e.data, last]);
      },
      onRetry(ms) { retry = ms; },
      onError(error) { console.error(error); process.exit(4); },
    });
    const headers = { Accept: 'text/event-stream' };
    if (last !== '')
      headers['Last-Event-ID'] = last;
    try {
      const answer = await fetch(url, { headers });
      if (answer.status === 204)
        return finish();
      if (answer.status !== 200)
        process.exit(5);
      const text = answer.body.pipeThrough(new TextDecoderStream());
      for await (const part of text)
        parser.feed(part);
    } catch (error) {
      if (retry === 0)
        throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, retry));
  }
}

if (kind === 'eventsource')
  byEventSource();
else
  byParser();
