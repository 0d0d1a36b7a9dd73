/** Wakes one waiter. A signal that nobody waits for is kept for the next one who does. */
export class Signal {
  #raised = false;
  #wake: (() => void) | undefined;

  /** Wakes the waiter, or spares the next one its wait. */
  raise(): void {
    this.#raised = true;
    this.#wake?.();
  }

  /**
   * Waits for the signal, and clears it.
   * @param timeout milliseconds to wait at most; undefined: without end
   */
  async wait(timeout?: number): Promise<void> {
    if (!this.#raised) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        if (timeout !== undefined) timer = setTimeout(resolve, timeout);
      });
      clearTimeout(timer);
      this.#wake = undefined;
    }
    this.#raised = false;
  }
}
