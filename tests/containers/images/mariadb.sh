#!/bin/sh
# MariaDB as the official image serves it: MYSQL_ROOT_PASSWORD, MYSQL_DATABASE, MYSQL_USER and MYSQL_PASSWORD. As there,
# a server that nobody reaches makes them, so that whoever waits reads "ready for connections" twice.
set -eu
data=/var/lib/mysql
mkdir -p /run/mysqld
chown mysql:mysql "$data" /run/mysqld
if [ ! -d "$data/mysql" ]; then
  mysql_install_db --user=mysql --datadir="$data" --skip-test-db --auth-root-authentication-method=normal > /dev/null
  {
    echo "CREATE USER root@'%' IDENTIFIED BY '$MYSQL_ROOT_PASSWORD';"
    echo "GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;"
    echo "CREATE DATABASE \`$MYSQL_DATABASE\`;"
    if [ -n "${MYSQL_USER:-}" ]; then
      echo "CREATE USER '$MYSQL_USER'@'%' IDENTIFIED BY '$MYSQL_PASSWORD';"
      echo "GRANT ALL ON \`$MYSQL_DATABASE\`.* TO '$MYSQL_USER'@'%';"
    fi
  } > /run/first.sql
  mariadbd --user=mysql --datadir="$data" --skip-networking &
  until mariadb-admin --silent ping > /dev/null 2>&1; do sleep 0.1; done
  mariadb < /run/first.sql
  rm /run/first.sql
  mariadb-admin shutdown
  wait
fi
exec mariadbd --user=mysql --datadir="$data" --bind-address=0.0.0.0 --skip-name-resolve "$@"
