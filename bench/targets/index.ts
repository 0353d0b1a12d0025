import type { Target } from '../figures.js';
import { p19 } from './conditions.js';
import { p8, p9 } from './crowds.js';
import { edge } from './edge.js';
import { p4, p5, p14, watcherGrowth } from './fan-out.js';
import { ghz } from './ghz.js';
import { historyGrowth, p7 } from './growth.js';
import { p11, serverGrowth } from './nodes.js';
import { p13, p15 } from './own-connections.js';
import { p3 } from './reads.js';
import { scenarios } from './scenarios.js';
import { p20 } from './stalled.js';
import { p10 } from './traces.js';
import { p1, p2, p6, p16 } from './updates.js';
import { p12 } from './workers.js';

const promised = [p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p19, p20];
const growth = [watcherGrowth, historyGrowth, serverGrowth];

export const targets: readonly Target[] = [...promised, ...growth, edge, scenarios, ghz];
