/** All rows, in the order of what they need: no token, one right, nothing but patience. */
import { readers } from './readers.js';
import type { Row } from './run.js';
import { strangers } from './strangers.js';
import { tenants } from './tenants.js';

export const rows: readonly Row[] = [...strangers, ...tenants, ...readers];
