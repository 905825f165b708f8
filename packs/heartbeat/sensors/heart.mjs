// Beats for each rule at the rule's own interval. The platform tells it when rules come, change and go, without a restart.
import { openSensor } from "../lib/attune-sensor.mjs";

const sensor = openSensor();
const hearts = new Map();

sensor.onRulesChanged((rule, isActive) => {
  const known = hearts.get(rule.id);
  if (!isActive) return stop(rule.id);
  // Repeated as it was: its rhythm goes on.
  if (known !== undefined && JSON.stringify(known.rule) === JSON.stringify(rule)) return;
  stop(rule.id);
  const heart = { rule, number: known?.number ?? 0 };
  heart.timer = setInterval(() => beat(heart), secondsOf(rule) * 1_000);
  hearts.set(rule.id, heart);
});

sensor.signal.addEventListener("abort", () => {
  for (const id of hearts.keys()) stop(id);
});
while (await sensor.wait(60_000));
sensor.close();

async function beat(heart) {
  const { rule } = heart;
  heart.number += 1;
  // Aimed at this rule: others have beats of their own.
  await sensor
    .emit({ rule: rule.ref, number: heart.number }, { rule, triggerRef: rule.triggerRef })
    .catch((error) => sensor.log(`no beat for ${rule.ref}: ${error.message}`));
}

function stop(id) {
  clearInterval(hearts.get(id)?.timer);
  hearts.delete(id);
}

function secondsOf({ params }) {
  return params.seconds > 0 ? params.seconds : 10;
}
