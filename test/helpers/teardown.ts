import type { TestContext } from "node:test";

type Step = () => void | Promise<void>;

const stepsOfTest = new WeakMap<TestContext, Step[]>();

/**
 * Runs `step` when the test ends, whether it passed or not, the latest step first. node:test runs its own `after` hooks
 * in the order in which they were given, which would remove a folder before the server that writes to it has ended.
 */
export function onTeardown(t: TestContext, step: Step): void {
  const known = stepsOfTest.get(t);
  if (known !== undefined) {
    known.push(step);
    return;
  }
  const steps = [step];
  stepsOfTest.set(t, steps);
  t.after(async () => {
    const failures: unknown[] = [];
    for (const each of steps.toReversed()) {
      try {
        await each();
      } catch (failure) {
        failures.push(failure);
      }
    }
    if (failures.length === 1) {
      throw failures[0];
    }
    if (failures.length > 1) {
      throw new AggregateError(failures, `${failures.length} steps of the teardown failed`);
    }
  });
}
