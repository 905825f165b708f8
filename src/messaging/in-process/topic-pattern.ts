/**
 * Binding patterns of topic exchanges (AMQP 0-9-1, section 3.1.3.3): words separated by dots, `*` for
 * exactly one word, `#` for any number of them.
 */
export function topicMatches(pattern: string, routingKey: string): boolean {
  return wordsMatch(pattern.split("."), routingKey.split("."));
}

/**
 * Walks both in step and remembers the last `#`; on a mismatch that `#` takes one word more. So the
 * work is bounded by pattern length times key length, whatever the pattern.
 */
function wordsMatch(pattern: readonly string[], words: readonly string[]): boolean {
  let inPattern = 0;
  let inWords = 0;
  let hashAt = -1;
  let hashTakesUpTo = 0;
  while (inWords < words.length) {
    const expected = pattern[inPattern];
    if (expected === "#") {
      hashAt = inPattern;
      hashTakesUpTo = inWords;
      inPattern += 1;
    } else if (expected !== undefined && (expected === "*" || expected === words[inWords])) {
      inPattern += 1;
      inWords += 1;
    } else if (hashAt >= 0) {
      hashTakesUpTo += 1;
      inWords = hashTakesUpTo;
      inPattern = hashAt + 1;
    } else {
      return false;
    }
  }
  while (pattern[inPattern] === "#") inPattern += 1;
  return inPattern === pattern.length;
}
