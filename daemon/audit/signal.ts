/** Wakes one waiter. A signal without a waiter is kept for the next one. */
export class Signal {
  #raised = false;
  #wake: (() => void) | undefined;

  /** Wakes the waiter, or lets the next one return at once. */
  raise(): void {
    this.#raised = true;
    this.#wake?.();
  }

  /**
   * Waits for the signal, and clears it.
   * @param timeout maximum wait in milliseconds; default: none
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
