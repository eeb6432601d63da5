interface CallMeta<R> {
  data: R;
  status: number;
  headers: { [name: string]: string };
}
interface Call<A, R> {
  (args: A, options: { meta: true }): Promise<CallMeta<R>>;
  (args: A, options?: { meta?: false }): Promise<R>;
}
interface CallOptional<A, R> {
  (args: A | undefined, options: { meta: true }): Promise<CallMeta<R>>;
  (args?: A, options?: { meta?: false }): Promise<R>;
}
type Choosing<A, S, R> = Call<A, R> & Call<A & S, any>;
type ChoosingOptional<A, S, R> = CallOptional<A, R> & Call<A & S, any>;
interface ToolSummary {
  path: string;
  source: string;
  description: string;
  risk: "read" | "write" | "destructive" | "unknown";
  decision: "allow" | "ask" | "deny";
  signature: string;
}
interface BuiltIn {
  discover(
    query: string | { query: string; namespace?: string; limit?: number; offset?: number },
  ): Promise<{ bestPath: string | null; results: ToolSummary[]; total: number; hasMore: boolean }>;
  describe(path: string): Promise<{
    path: string;
    description: string;
    risk: ToolSummary["risk"];
    decision: ToolSummary["decision"];
    input: string;
    output: string;
  }>;
  catalog: {
    namespaces(): Promise<{
      namespaces: { namespace: string; toolCount: number; samplePaths: string[] }[];
      total: number;
    }>;
    tools(args?: {
      namespace?: string;
      query?: string;
      limit?: number;
      offset?: number;
    }): Promise<{ results: ToolSummary[]; total: number; hasMore: boolean }>;
  };
  results: {
    read(args: { handle: string; offset?: number; length?: number }): Promise<unknown>;
  };
}
