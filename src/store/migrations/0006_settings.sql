-- One row for each scope that has settings of its own: of everything (both names empty), of a domain (project empty), of
-- a project in a domain.
CREATE TABLE setting (
    domain TEXT NOT NULL,
    project TEXT NOT NULL,
    body BLOB NOT NULL, -- flyteidl2.settings.Settings
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (domain, project)
);
