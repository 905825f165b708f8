/**
 * Notices that the server inside the engine has ended itself.
 *
 * A server that cannot go on, such as one that cannot write its log on a full disk, reports PANIC and aborts. That is an
 * exception out of its WebAssembly. PGlite expects one exception there, the server's jump to its error handling, and
 * ignores all others: it continues with a server in an undefined state, which refuses every statement or, if it has not
 * read all of a message, is called again forever. So the functions by which PGlite drives the server are replaced here:
 * after such an exception all of them throw, including one outside PGlite's `try`, and nothing enters that server again.
 */

/** The part of PGlite's module that matters here. */
export interface ServerModule {
  _PostgresMainLoopOnce: Drive;
  _PostgresMainLongJmp: Drive;
  _PostgresSendReadyForQueryIfNecessary: Drive;
  _pgl_pq_flush: Drive;
  stackRestore: Drive;
}

type Drive = (...parameters: number[]) => unknown;

/** The server has ended itself in a statement, and the engine is of no use any more. */
export class ServerEnded extends Error {
  override readonly name = "ServerEnded";
}

/** The exit status with which the server jumps to its error handling: PGlite's POSTGRES_MAIN_LONGJMP. */
const jumpStatus = 100;

/** @param reasonOf the server's last words, or those of the exception that ended it */
export function noticeServerEnd(
  module: ServerModule,
  reasonOf: (cause: unknown) => string,
): () => ServerEnded | undefined {
  let end: ServerEnded | undefined;
  const guarded = (drive: Drive, isExpected: (thrown: unknown) => boolean = () => false): Drive => {
    return (...parameters) => {
      if (end !== undefined) throw end;
      try {
        return drive(...parameters);
      } catch (thrown) {
        if (isExpected(thrown)) throw thrown;
        end = new ServerEnded(reasonOf(thrown), { cause: thrown });
        throw end;
      }
    };
  };
  module._PostgresMainLoopOnce = guarded(module._PostgresMainLoopOnce, isJump);
  module._PostgresMainLongJmp = guarded(module._PostgresMainLongJmp);
  module._PostgresSendReadyForQueryIfNecessary = guarded(module._PostgresSendReadyForQueryIfNecessary);
  module._pgl_pq_flush = guarded(module._pgl_pq_flush);
  // PGlite calls this one where it ignores the exception.
  module.stackRestore = guarded(module.stackRestore);
  return () => end;
}

function isJump(thrown: unknown): boolean {
  return typeof thrown === "object" && thrown !== null && "status" in thrown && thrown.status === jumpStatus;
}
