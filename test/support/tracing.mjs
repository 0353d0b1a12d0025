// OpenTelemetry as somebody sets it up: loaded before Chord, by `node --import` or as a plugin.
import { NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';

const exporter = {
  export(spans, done) {
    for (const { name, attributes } of spans) process.stderr.write(`span ${name} ${JSON.stringify(attributes)}\n`);
    done({ code: 0 });
  },
  async shutdown() {},
};

new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();

export default {};
