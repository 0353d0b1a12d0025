import type { Target } from '../figures.js';
import { p1, p2, p6 } from './updates.js';

export const targets: readonly Target[] = [p1, p2, p6];
