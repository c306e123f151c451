-- name: create_tables#
CREATE TABLE carts_by_day_g0 (
    merchant text COLLATE "C" NOT NULL,
    day date NOT NULL,
    started_count bigint NOT NULL DEFAULT 0,
    completed_count bigint NOT NULL DEFAULT 0,
    abandoned_count bigint NOT NULL DEFAULT 0,
    expired_count bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (merchant, day)
) WITH (fillfactor = 80);

-- name: add_cart_days!
INSERT INTO carts_by_day_g0 AS d (merchant, day, started_count, completed_count, abandoned_count, expired_count)
SELECT * FROM unnest(:merchant, :day, :started_count, :completed_count, :abandoned_count, :expired_count)
ON CONFLICT (merchant, day) DO UPDATE SET
    started_count = d.started_count + excluded.started_count,
    completed_count = d.completed_count + excluded.completed_count,
    abandoned_count = d.abandoned_count + excluded.abandoned_count,
    expired_count = d.expired_count + excluded.expired_count;
