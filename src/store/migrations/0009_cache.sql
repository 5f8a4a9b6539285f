-- Expired reservations are looked for by time.
CREATE INDEX cache_reservation_expiry ON cache_reservation (expires_at);
