/**
 * Reads ICU's locale data inside Node, a block of named items.
 *
 * It begins with a header that contains its own size and marks it as a package ("CmnD"). The table of contents
 * follows: the number of items, and for each the offsets of its name and content from the table. Items are in order
 * of name, without gaps. See the format of ICU's data packages, `icupkg`.
 */
import assert from "node:assert/strict";

export interface IcuItem {
  /** Like `coll/de.res`, without the package's own name. */
  readonly name: string;
  /** The range of its content in the file. */
  readonly start: number;
  readonly end: number;
}

const magic = 0x27da;
const formatOffset = 12;

/** All items but the last, whose end is unknown. */
export function readIcuItems(node: Buffer): readonly IcuItem[] {
  const table = tableOffset(node);
  const items = Array.from({ length: node.readUInt32LE(table) }, (_, index) => {
    const [name, content] = [table + 4 + 8 * index, table + 8 + 8 * index];
    return { name: nameAt(node, table + node.readUInt32LE(name)), start: table + node.readUInt32LE(content) };
  });
  return items.slice(0, -1).map((item, index) => ({ ...item, end: items[index + 1]?.start ?? item.start }));
}

function tableOffset(node: Buffer): number {
  for (let at = node.indexOf("CmnD"); at !== -1; at = node.indexOf("CmnD", at + 1)) {
    const header = at - formatOffset;
    if (header >= 0 && node.readUInt16LE(header + 2) === magic) return header + node.readUInt16LE(header);
  }
  assert.fail("Node does not hold ICU's data as this build knows it");
}

function nameAt(node: Buffer, offset: number): string {
  const name = node.toString("latin1", offset, node.indexOf(0, offset));
  return name.slice(name.indexOf("/") + 1);
}
