-- What of a read model is meant for customers: a row that says so (`for_customers`) is shown to those of its merchant too.
--
-- Which belong to no order or person, such as where a carrier shows the way of parcels.

-- Who sees which rows of a read model's table: as in 0027, with that.
CREATE OR REPLACE FUNCTION read_policy(p_table regclass) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    named text[] := ARRAY(
        SELECT attname::text FROM pg_attribute WHERE attrelid = p_table AND attnum > 0 AND NOT attisdropped
    );
    own text := 'coalesce(current_setting(''tillroll.subject'', true), '''') = ''''';
    seen constant text := 'current_setting(''tillroll.reach'', true) = ''all''';
BEGIN
    IF NOT 'merchant' = ANY (named) THEN
        RETURN seen;
    END IF;
    IF 'subject' = ANY (named) THEN
        own := own || ' OR subject = current_setting(''tillroll.subject'', true)';
    ELSIF 'order_id' = ANY (named) THEN
        own := own || ' OR is_own_order(merchant, order_id)';
    ELSIF 'for_customers' = ANY (named) THEN
        own := own || ' OR for_customers';
    END IF;
    RETURN format(
        'CASE WHEN merchant = current_setting(''tillroll.merchant'', true) AND (%s) THEN true ELSE %s END', own, seen
    );
END $$;
