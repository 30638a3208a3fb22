// SQLite moves between two processes in the middle of its transactions: a database in a file, which its glue keeps in JavaScript, and one in memory.

import { boot } from './lib/sqlite-program.mjs';
import { betweenTwoHosts } from './lib/two-hosts.mjs';

await betweenTwoHosts(import.meta.url, boot);
