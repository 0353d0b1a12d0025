/** The shadow of a device: what it shall do, what it reports, its alarms; now and then new firmware, or a reset. */
import type { JsonObject } from '../../src/model/model.js';
import type { Random } from './random.js';
import type { Story } from './story.js';

const ROOMS = ['hall', 'kitchen', 'attic', 'cellar'];
const ALARMS = ['over_temperature', 'sensor_lost', 'door_open', 'battery_low'];
const ALARMS_KEPT = 12;

interface Settings extends JsonObject {
  target: number;
  mode: string;
  schedule: JsonObject[];
}

export function deviceShadow(random: Random): Story {
  const document: JsonObject = {};
  const settings = (): Settings => ({
    target: 20 + random.below(5) / 2,
    mode: random.pick(['heat', 'cool', 'off', 'auto']),
    schedule: Array.from({ length: 1 + random.below(4) }, (_, i) => ({ from: `${6 + 4 * i}:00`, target: 18 + i })),
  });
  const rooms = (): Record<string, Settings> => Object.fromEntries(ROOMS.map((room) => [room, settings()]));

  const reset = () => {
    const desired = rooms();
    Object.assign(document, {
      desired,
      reported: structuredClone(desired),
      telemetry: Object.fromEntries(ROOMS.map((room) => [room, { celsius: 20, humidity: 0.5, samples: [] }])),
      alarms: [],
      firmware: { version: '1.0.0', progress: null },
      counters: { boots: 0, uptime: 0, bytes: 2 ** 40, signal: -60.5 },
    });
  };
  reset();

  const part = (name: string) => document[name] as Record<string, JsonObject>;
  const measure = () => {
    const now = part('telemetry')[random.pick(ROOMS)] as { celsius: number; humidity: number; samples: number[] };
    now.celsius = Math.round((now.celsius + random.next() - 0.5) * 100) / 100;
    if (random.chance(0.3)) now.humidity = Math.round(random.next() * 1000) / 1000;
    now.samples.push(now.celsius);
    if (now.samples.length > 24) now.samples.splice(0, 1 + random.below(4));
  };
  const want = () => {
    const desired = part('desired')[random.pick(ROOMS)] as Settings;
    if (random.chance(0.6)) desired.target = 16 + random.below(17) / 2;
    else if (random.chance(0.5)) desired.mode = random.pick(['heat', 'cool', 'off', 'auto']);
    else
      desired.schedule.splice(random.below(desired.schedule.length + 1), random.below(2), {
        from: '12:30',
        target: 19,
      });
    document.pending = true;
  };
  const report = () => {
    document.reported = structuredClone(document.desired!);
    delete document.pending;
  };
  const alarm = () => {
    const alarms = document.alarms as JsonObject[];
    if (alarms.length > 0 && random.chance(0.4)) {
      const [one] = alarms.splice(random.below(alarms.length), 1);
      if (random.chance(0.5)) alarms.push({ ...one, acknowledged: true });
    } else
      alarms.unshift({ kind: random.pick(ALARMS), room: random.pick(ROOMS), detail: random.words(4), since: null });
    alarms.length = Math.min(alarms.length, ALARMS_KEPT);
  };
  const update = () => {
    const firmware = document.firmware as { version: string; progress: number | null };
    if (firmware.progress === null) firmware.progress = 0;
    else if (firmware.progress < 1) firmware.progress = Math.min(1, firmware.progress + 0.25);
    else document.firmware = { version: `1.${random.below(9)}.${random.below(9)}`, progress: null };
  };
  const count = () => {
    const counters = document.counters as Record<string, number>;
    counters.uptime! += 60;
    counters.bytes! += random.below(1_000_000);
    counters.signal = -50 - random.below(400) / 10;
  };
  const reboot = () => {
    (document.counters as Record<string, number>).boots!++;
    document.telemetry = Object.fromEntries(ROOMS.map((room) => [room, { celsius: 20, humidity: 0.5, samples: [] }]));
  };
  const rename = () => {
    const { note, label, ...rest } = document;
    if (note === undefined) document.note = label ?? random.words(6);
    else {
      for (const key of Object.keys(document)) delete document[key];
      Object.assign(document, rest, { label: note });
    }
  };

  return {
    document,
    step() {
      const act = random.weighted([
        [50, measure],
        [14, count],
        [12, want],
        [9, report],
        [6, alarm],
        [5, update],
        [2, rename],
        [1, reboot],
        [0.4, reset],
      ]);
      act();
      return 5 + random.below(300);
    },
  };
}
