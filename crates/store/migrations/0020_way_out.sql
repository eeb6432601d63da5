-- What a browser takes along to the provider that signed it in, so that the session there ends as well; sealed by the session's own token, which is kept nowhere.

alter table sessions add column way_out text;
