/** Aborted by Ctrl-C or SIGTERM: the ordinary end of `watch`, `top` and the like. */
export function interrupted(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => controller.abort());
  return controller.signal;
}
