// A credential by the words people know it by: whom it serves, and its label. Never its value.
import { useQuery } from "@tanstack/react-query";
import type { Credential } from "~/api/client";
import { credentials as allCredentials, useApi } from "~/api/queries";
import { Seen } from "./text";

const WHOM: Record<string, string> = { personal: "mine", workspace: "shared", organization: "organization" };

/** Such as `shared: gh-bot`; one without a label by how it is attached. */
export function nameOf(credential: Credential): string {
  return `${WHOM[credential.scope] ?? credential.scope}: ${credential.label || credential.auth}`;
}

/** The credential that was chosen for a task's calls; its identifier where it is gone or somebody else's. */
export function RunAs({ id }: { id: string }) {
  const found = useQuery({ ...allCredentials(useApi()), staleTime: 60_000 }).data?.find((each) => each.id === id);
  return found ? <Seen text={nameOf(found)} /> : <code className="break-all">{id}</code>;
}
