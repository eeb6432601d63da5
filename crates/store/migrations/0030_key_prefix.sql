-- A key says what its secret begins with, so that one that was found somewhere can be told from others.

alter table api_keys add column secret_prefix text;
