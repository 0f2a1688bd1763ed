// What the Node servers share: the rules of an order, and the database. The same as in ../servers/orders.py.
'use strict';
const Database = require('better-sqlite3');

// status -> who may send which status after it
const NEXT = {
  1001: {1004: 'serviceman'},
  1004: {1005: 'client'},
  1005: {1006: 'serviceman'},
  1006: {1007: 'client'},
  1007: {1010: 'client'},
  1010: {1011: 'serviceman'},
  1011: {1009: 'client'},
  1009: {},
};
const PLACED = 1001;

const isText = (value, most) => typeof value === 'string' && value.length <= most;

function check(send) {
  const status = send?.orderStatus;
  if (
    !isText(send?.messageId, 64) || !isText(status?.orderStatusAsString, 64) ||
    !Number.isInteger(status.orderStatusAsInt) || !isText(status.message, 4096) ||
    !isText(status.senderId, 128) || !isText(status.receiverId, 128) || !isText(status.orderId, 128)
  ) throw new Error('malformed');
  return send;
}

function open() {
  const database = new Database(process.env.DATABASE);
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.exec(`
    CREATE TABLE orders (id TEXT PRIMARY KEY, client TEXT NOT NULL, serviceman TEXT NOT NULL,
      status INTEGER NOT NULL, updated_at INTEGER NOT NULL);
    CREATE TABLE statuses (id INTEGER PRIMARY KEY, order_id TEXT NOT NULL, status INTEGER NOT NULL,
      sender TEXT NOT NULL, message_id TEXT NOT NULL, body TEXT NOT NULL, created_at INTEGER NOT NULL);
    CREATE INDEX statuses_of_order ON statuses (order_id);
  `);
  const findOrder = database.prepare('SELECT client, serviceman, status FROM orders WHERE id = ?');
  const addOrder = database.prepare('INSERT INTO orders VALUES (?, ?, ?, ?, ?)');
  const updateOrder = database.prepare('UPDATE orders SET status = ?, updated_at = ? WHERE id = ?');
  const addStatus = database.prepare(
    'INSERT INTO statuses (order_id, status, sender, message_id, body, created_at) VALUES (?, ?, ?, ?, ?, ?)');

  // Write one status inside a transaction; returns the user to pass it on to.
  function write(user, send) {
    const {orderId, orderStatusAsInt: status, receiverId} = send.orderStatus;
    const order = findOrder.get(orderId), now = Date.now();
    let receiver = receiverId;
    if (order === undefined) {
      if (status !== PLACED) throw new Error('unknown order');
      addOrder.run(orderId, user, receiverId, status, now);
    } else {
      const role = NEXT[order.status][status];
      if (role === undefined || order[role] !== user) throw new Error('illegal transition');
      updateOrder.run(status, now, orderId);
      receiver = role === 'client' ? order.serviceman : order.client;
    }
    addStatus.run(orderId, status, user, send.messageId, JSON.stringify(send.orderStatus), now);
    return receiver;
  }

  return {write, transaction: (work) => database.transaction(work).immediate};
}

module.exports = {check, open};
