const compressions = /\b(?:gzip|deflate|compress|br|zstd)\b/i;

/** Whether a Content-Encoding header says that the body is compressed. */
export function isCompressed(contentEncoding: string | undefined): boolean {
  return contentEncoding !== undefined && compressions.test(contentEncoding);
}
