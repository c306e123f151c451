-- name: get_storefront
SELECT * FROM storefronts WHERE merchant = :merchant;
