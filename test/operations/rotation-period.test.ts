// kms:RotationPeriodInDays of EnableKeyRotation: the period that the rotation has if the request is carried out.
import t from 'tap';
import type { Key } from '../../daemon/keys/index.js';
import { rotationOperations } from '../../daemon/operations/kms/rotation.js';
import type { ConditionContext } from '../../daemon/pipeline/operation.js';

void t.test('the condition key is the period that the rotation will have', (t) => {
  const enable = rotationOperations.find(({ name }) => name === 'EnableKeyRotation')!;
  const period = enable.permissions[0]!.conditionKeys!['kms:RotationPeriodInDays']!;
  const asked = (wanted: number | undefined, enabled: number | undefined, longest = 2_560) =>
    period(
      {
        request: { rotationPeriodInDays: wanted },
        key: { record: { rotation: enabled && { periodInDays: enabled, nextAt: 0 } } } as unknown as Key,
        services: { limits: { shortestRotationPeriodInDays: 90, longestRotationPeriodInDays: longest } },
      } as unknown as ConditionContext<Record<string, unknown>>,
      '',
    );
  t.equal(asked(undefined, undefined), '365');
  t.equal(asked(undefined, undefined, 200), '200', 'the longest that is allowed');
  t.equal(asked(120, undefined), '120');
  t.equal(asked(undefined, 500), '500', 'an enabled rotation keeps its period');
  t.equal(asked(120, 500), '120');
  t.end();
});
