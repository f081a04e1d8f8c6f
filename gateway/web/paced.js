// For what must not be done as fast as the network asks for it.

/** A function that lets `run` run at once, or `pauseMs` after it ran last; calls until then are one. */
export function paced(run, pauseMs) {
  let lastAt = -Infinity;
  let timer = null;
  return () => {
    if (timer !== null) return;
    const now = () => {
      timer = null;
      lastAt = performance.now();
      run();
    };
    timer = setTimeout(now, Math.max(0, lastAt + pauseMs - performance.now()));
    timer.unref?.();
  };
}
