-- name: get_merchant
SELECT * FROM merchants WHERE merchant = :merchant;

-- name: get_time_zone
SELECT time_zone FROM merchants WHERE merchant = :merchant;

-- name: get_overview
SELECT * FROM merchant_overview WHERE merchant = :merchant;

-- name: get_money
SELECT * FROM merchant_money WHERE merchant = :merchant ORDER BY currency LIMIT 200;
