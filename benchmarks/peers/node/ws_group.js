// Node `ws` + better-sqlite3 with group commit: one transaction for all statuses of a turn of the event loop.
'use strict';
const {check, open} = require('./orders'), {serve, acknowledge, pass, reject} = require('./connections');

const store = open();
let batch = [];

const commit = store.transaction((statuses) => {
  for (const one of statuses) {
    try {
      one.receiver = store.write(one.user, one.send);
    } catch (error) {
      one.error = error;
    }
  }
});

function flush() {
  const statuses = batch;
  batch = [];
  commit(statuses);
  for (const {socket, send, receiver, error} of statuses) {
    if (error) {
      reject(socket, error);
    } else {
      acknowledge(socket, send);
      pass(connections.get(receiver), send);
    }
  }
}

const connections = serve((user, socket, text) => {
  let send;
  try {
    send = check(JSON.parse(text));
  } catch (error) {
    return reject(socket, error);
  }
  if (batch.push({user, socket, send}) === 1) setImmediate(flush);
});
