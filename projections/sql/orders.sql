-- name: create_tables#
CREATE TABLE orders_g0 (
    merchant text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    checkout_id text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    customer_id text,
    customer_unique_id text,
    ship_to_name text,
    ship_to_street text,
    ship_to_zip_prefix text,
    ship_to_city text,
    ship_to_country text,
    ship_to_phone text,
    ship_to_email text,
    ship_to_note text,
    ship_to_state text NOT NULL,
    currency text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL DEFAULT 'placed',
    cancel_reason text,
    cancel_note text,
    preparing boolean NOT NULL DEFAULT false,
    discrepancies text COLLATE "C" NOT NULL DEFAULT '',
    channel text COLLATE "C" NOT NULL,
    shipping_method text NOT NULL,
    holds_count bigint NOT NULL DEFAULT 0,
    imported boolean NOT NULL,
    on_account boolean NOT NULL,
    lines_count bigint NOT NULL,
    units_count bigint NOT NULL,
    payments_count bigint NOT NULL,
    items_cents bigint NOT NULL,
    shipping_cents bigint NOT NULL,
    adjustment_cents bigint NOT NULL,
    total_cents bigint NOT NULL,
    authorized_count bigint NOT NULL DEFAULT 0,
    declined_count bigint NOT NULL DEFAULT 0,
    voided_count bigint NOT NULL DEFAULT 0,
    expired_count bigint NOT NULL DEFAULT 0,
    captures_count bigint NOT NULL DEFAULT 0,
    authorized_cents bigint NOT NULL DEFAULT 0,
    captured_cents bigint NOT NULL DEFAULT 0,
    refunded_cents bigint NOT NULL DEFAULT 0,
    voided_cents bigint NOT NULL DEFAULT 0,
    expired_cents bigint NOT NULL DEFAULT 0,
    shipments_count bigint NOT NULL DEFAULT 0,
    labels_voided_count bigint NOT NULL DEFAULT 0,
    dispatched_count bigint NOT NULL DEFAULT 0,
    delivered_count bigint NOT NULL DEFAULT 0,
    returned_count bigint NOT NULL DEFAULT 0,
    placed_at timestamptz NOT NULL,
    confirmed_at timestamptz,
    approved_at timestamptz,
    dispatched_at timestamptz,
    delivered_at timestamptz,
    cancelled_at timestamptz,
    completed_at timestamptz,
    estimated_delivery_at timestamptz,
    payment_status text COLLATE "C" NOT NULL GENERATED ALWAYS AS (
        CASE
            WHEN refunded_cents > 0 AND refunded_cents >= captured_cents THEN 'refunded'
            WHEN refunded_cents > 0 THEN 'partially_refunded'
            WHEN captures_count > 0 AND captured_cents >= total_cents THEN 'captured'
            WHEN captures_count > 0 THEN 'partially_captured'
            WHEN payments_count = 0 AND on_account THEN 'on_account'
            WHEN payments_count = 0 THEN 'none'
            WHEN voided_count > 0 AND voided_count + declined_count + expired_count >= payments_count THEN 'voided'
            WHEN declined_count > 0 THEN 'declined'
            WHEN expired_count > 0 THEN 'expired'
            WHEN authorized_count >= payments_count AND authorized_cents - voided_cents - expired_cents >= total_cents
                THEN 'authorized'
            WHEN authorized_count > 0 THEN 'partially_authorized'
            ELSE 'pending'
        END
    ) STORED,
    fulfilment_status text COLLATE "C" NOT NULL GENERATED ALWAYS AS (
        CASE
            WHEN status IN ('placed', 'reserved', 'confirmed') AND delivered_count > 0 THEN 'partially_delivered'
            WHEN status IN ('placed', 'reserved', 'confirmed') AND dispatched_count > 0 THEN 'partially_dispatched'
            WHEN returned_count > 0 AND returned_count >= dispatched_count THEN 'returned'
            WHEN delivered_count > 0 AND delivered_count + returned_count >= dispatched_count THEN 'delivered'
            WHEN delivered_count > 0 THEN 'partially_delivered'
            WHEN dispatched_count > 0 THEN 'dispatched'
            WHEN preparing THEN 'preparing'
            WHEN shipments_count > labels_voided_count THEN 'requested'
            ELSE 'unfulfilled'
        END
    ) STORED,
    discrepancy text COLLATE "C" GENERATED ALWAYS AS (nullif(substring(discrepancies FROM '[^ ]*$'), '')) STORED,
    held boolean NOT NULL GENERATED ALWAYS AS (
        holds_count > 0 AND status IN ('placed', 'reserved', 'confirmed')
    ) STORED,
    PRIMARY KEY (merchant, order_id)
) WITH (fillfactor = 80);
CREATE INDEX ON orders_g0 (merchant, placed_at DESC, order_id DESC);
CREATE INDEX ON orders_g0 (merchant, status, placed_at DESC, order_id DESC);
CREATE INDEX ON orders_g0 (merchant, payment_status, placed_at DESC, order_id DESC);
CREATE INDEX ON orders_g0 (merchant, fulfilment_status, placed_at DESC, order_id DESC);
CREATE INDEX ON orders_g0 (merchant, channel, placed_at DESC, order_id DESC);
CREATE INDEX ON orders_g0 (merchant, placed_at DESC, order_id DESC) WHERE held;
CREATE INDEX ON orders_g0 (merchant, placed_at DESC, order_id DESC) WHERE discrepancy IS NOT NULL;
CREATE INDEX ON orders_g0 (merchant, cancel_reason, placed_at DESC, order_id DESC) WHERE cancel_reason IS NOT NULL;
CREATE INDEX ON orders_g0 (merchant, total_cents DESC, order_id DESC);
CREATE INDEX ON orders_g0 (merchant, customer_id);
CREATE INDEX ON orders_g0 (merchant, checkout_id);
CREATE INDEX ON orders_g0 (checkout_id);
CREATE INDEX ON orders_g0 (subject);

-- name: place_orders!
-- An order is placed once; a second row of it would be our mistake, and fails.
INSERT INTO orders_g0 (
    merchant, order_id, checkout_id, subject, customer_id, customer_unique_id, ship_to_name, ship_to_street,
    ship_to_zip_prefix, ship_to_city, ship_to_country, ship_to_phone, ship_to_email, ship_to_note, ship_to_state,
    currency, channel, shipping_method, imported, on_account, lines_count, units_count, payments_count, items_cents,
    shipping_cents, adjustment_cents, total_cents, placed_at, estimated_delivery_at
)
SELECT * FROM unnest(
    :merchant, :order_id, :checkout_id, :subject, :customer_id, :customer_unique_id, :ship_to_name, :ship_to_street,
    :ship_to_zip_prefix, :ship_to_city, :ship_to_country, :ship_to_phone, :ship_to_email, :ship_to_note,
    :ship_to_state, :currency, :channel, :shipping_method, :imported, :on_account, :lines_count, :units_count,
    :payments_count, :items_cents, :shipping_cents, :adjustment_cents, :total_cents, :placed_at, :estimated_delivery_at
);

-- name: move_orders!
-- What happened to orders since: counts and sums are added, what is not NULL replaces; of times of the
-- parcels and payments the first dispatch and the last delivery and approval stand (NULL is passed over).
UPDATE orders_g0 AS o SET
    status = coalesce(m.status, o.status),
    cancel_reason = coalesce(m.cancel_reason, o.cancel_reason),
    cancel_note = coalesce(m.cancel_note, o.cancel_note),
    preparing = coalesce(m.preparing, o.preparing),
    holds_count = o.holds_count + m.holds_count,
    lines_count = o.lines_count + m.lines_count,
    units_count = o.units_count + m.units_count,
    payments_count = o.payments_count + m.payments_count,
    items_cents = o.items_cents + m.items_cents,
    shipping_cents = o.shipping_cents + m.shipping_cents,
    adjustment_cents = coalesce(m.adjustment_cents, o.adjustment_cents),
    total_cents = o.total_cents + m.total_cents,
    authorized_count = o.authorized_count + m.authorized_count,
    declined_count = o.declined_count + m.declined_count,
    voided_count = o.voided_count + m.voided_count,
    expired_count = o.expired_count + m.expired_count,
    captures_count = o.captures_count + m.captures_count,
    authorized_cents = o.authorized_cents + m.authorized_cents,
    captured_cents = o.captured_cents + m.captured_cents,
    refunded_cents = o.refunded_cents + m.refunded_cents,
    voided_cents = o.voided_cents + m.voided_cents,
    expired_cents = o.expired_cents + m.expired_cents,
    shipments_count = o.shipments_count + m.shipments_count,
    labels_voided_count = o.labels_voided_count + m.labels_voided_count,
    dispatched_count = o.dispatched_count + m.dispatched_count,
    delivered_count = o.delivered_count + m.delivered_count,
    returned_count = o.returned_count + m.returned_count,
    confirmed_at = coalesce(m.confirmed_at, o.confirmed_at),
    approved_at = greatest(o.approved_at, m.approved_at),
    dispatched_at = least(o.dispatched_at, m.dispatched_at),
    delivered_at = greatest(o.delivered_at, m.delivered_at),
    cancelled_at = coalesce(m.cancelled_at, o.cancelled_at),
    completed_at = coalesce(m.completed_at, o.completed_at)
FROM unnest(
    :merchant, :order_id, :status, :cancel_reason, :cancel_note, :preparing, :holds_count,
    :lines_count, :units_count, :payments_count, :items_cents, :shipping_cents, :adjustment_cents, :total_cents,
    :authorized_count, :declined_count, :voided_count, :expired_count, :captures_count, :authorized_cents, :captured_cents, :refunded_cents,
    :voided_cents, :expired_cents, :shipments_count, :labels_voided_count, :dispatched_count, :delivered_count,
    :returned_count, :confirmed_at, :approved_at, :dispatched_at, :delivered_at, :cancelled_at, :completed_at
) AS m (
    merchant, order_id, status, cancel_reason, cancel_note, preparing, holds_count,
    lines_count, units_count, payments_count, items_cents, shipping_cents, adjustment_cents, total_cents,
    authorized_count, declined_count, voided_count, expired_count, captures_count, authorized_cents, captured_cents, refunded_cents,
    voided_cents, expired_cents, shipments_count, labels_voided_count, dispatched_count, delivered_count,
    returned_count, confirmed_at, approved_at, dispatched_at, delivered_at, cancelled_at, completed_at
)
WHERE o.merchant = m.merchant AND o.order_id = m.order_id;

-- name: readdress_orders!
-- Where orders go from now on.
UPDATE orders_g0 AS o SET
    customer_id = a.customer_id, customer_unique_id = a.customer_unique_id, ship_to_name = a.ship_to_name,
    ship_to_street = a.ship_to_street, ship_to_zip_prefix = a.ship_to_zip_prefix, ship_to_city = a.ship_to_city,
    ship_to_country = a.ship_to_country, ship_to_phone = a.ship_to_phone, ship_to_email = a.ship_to_email,
    ship_to_note = a.ship_to_note, ship_to_state = a.ship_to_state
FROM unnest(
    :merchant, :order_id, :customer_id, :customer_unique_id, :ship_to_name, :ship_to_street, :ship_to_zip_prefix,
    :ship_to_city, :ship_to_country, :ship_to_phone, :ship_to_email, :ship_to_note, :ship_to_state
) AS a (
    merchant, order_id, customer_id, customer_unique_id, ship_to_name, ship_to_street, ship_to_zip_prefix,
    ship_to_city, ship_to_country, ship_to_phone, ship_to_email, ship_to_note, ship_to_state
)
WHERE o.merchant = a.merchant AND o.order_id = a.order_id;

-- name: contradict_orders!
-- Which discrepancies are open, by spaces, the one that was told last at the end: those that were not told of now
-- stay in front.
UPDATE orders_g0 AS o SET
    discrepancies = ltrim(concat_ws(' ', array_to_string(ARRAY(
        SELECT known.kind FROM unnest(string_to_array(o.discrepancies, ' ')) WITH ORDINALITY AS known (kind, place)
        WHERE known.kind <> ALL (string_to_array(c.told, ' '))
        ORDER BY known.place
    ), ' '), nullif(c.open, '')))
FROM unnest(:merchant, :order_id, :told, :open) AS c (merchant, order_id, told, open)
WHERE o.merchant = c.merchant AND o.order_id = c.order_id;

-- name: erase_orders!
-- Whoever was erased leaves no plain text. All rows of the subject, whichever partition they are in: each worker
-- does so where it meets the erasure in the log, so that none that it wrote before stays. :subject text[]
UPDATE orders_g0 SET
    customer_id = NULL, customer_unique_id = NULL, ship_to_name = NULL, ship_to_street = NULL,
    ship_to_zip_prefix = NULL, ship_to_city = NULL, ship_to_country = NULL, ship_to_phone = NULL,
    ship_to_email = NULL, ship_to_note = NULL
WHERE subject = ANY(:subject) AND coalesce(
    customer_id, customer_unique_id, ship_to_name, ship_to_street, ship_to_zip_prefix, ship_to_city, ship_to_country,
    ship_to_phone, ship_to_email, ship_to_note
) IS NOT NULL;
