-- A secret belongs to a project in a domain, to a domain (project empty) or to everything (both empty). What it holds is
-- encrypted (src/secret/seal.h): body with a key of its own, and that key with the master key of the name key_id, which
-- is not in the database.
CREATE TABLE secret (
    domain TEXT NOT NULL,
    project TEXT NOT NULL,
    name TEXT NOT NULL,
    type INTEGER NOT NULL, -- flyteidl2.secret.SecretType
    key_id TEXT NOT NULL,
    wrapped BLOB NOT NULL,
    body BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (domain, project, name)
);
CREATE INDEX secret_key ON secret (key_id);
